/* SPDX-License-Identifier: MIT */
/** A folder of a test's own, and options that name what lies there. */
#ifndef SCRATCH_H
#define SCRATCH_H

enum { SCRATCH_FILES = 12, SCRATCH_BYTES = 64 };

/** Names of files in the folder; none of them is there yet. */
extern char scratch[SCRATCH_FILES][SCRATCH_BYTES];

/** Make the folder, and remove it with its files, as cmocka's fixtures. */
int scratch_open(void **state);
int scratch_close(void **state);

/** The file holds this text from now on. */
void scratch_write(const char *name, const char *text);

/** "NAME=VALUE", good until seven more were asked for. */
const char *scratch_flag(const char *name, const char *value);

#endif
