/* SPDX-License-Identifier: MIT */
/* libsoftmax in the process: cc library.c $(pkg-config --cflags --libs softmax)
 * Prints: 0.090030573 0.24472848 0.66524094
 * Prints: loss 0.40760598
 */
#include <softmax.h>
#include <stdio.h>

int main(void)
{
    const float z[3] = {1, 2, 3};
    const int64_t label = 2;
    float p[3], loss;
    const struct smx_logits logits = {
        .size = sizeof logits, .data = z, .outer = 1, .classes = 3};
    const struct smx_criterion criterion = {.size = sizeof criterion,
                                            .labels = &label};
    const struct smx_softmax_out out = {.size = sizeof out, .values = p};
    const struct smx_loss_out loss_out = {.size = sizeof loss_out,
                                          .loss = &loss};

    struct smx_context *context;
    enum smx_status status = smx_context_create(&context, NULL);
    if (status == SMX_OK)
        status = smx_softmax(context, &logits, NULL, &out, NULL);
    if (status == SMX_OK)
        status = smx_loss(context, &logits, &criterion, &loss_out, NULL);
    smx_context_free(context);
    if (status != SMX_OK) {
        fprintf(stderr, "%s\n", smx_status_string(status));
        return 1;
    }
    printf("%.8g %.8g %.8g\nloss %.8g\n", p[0], p[1], p[2], loss);
    return 0;
}
