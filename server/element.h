/* SPDX-License-Identifier: MIT */
/** What the elements of a tensor are where it is read as text. */
#ifndef ELEMENT_H
#define ELEMENT_H

enum reader_element {
    READER_FLOAT32, /* correctly rounded to float */
    READER_FLOAT64, /* correctly rounded to double */
    READER_FLOAT,   /* decided later, see reader_settle */
    READER_INT64,   /* integers; 3.0 and 1e2 are integers too */
    READER_BOOL,    /* true, false */
    READER_ANY      /* decided later: numbers or booleans */
};

#endif
