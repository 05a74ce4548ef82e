/* stream SAMPLES ANSWERS: takes samples from a file; for each the class (2 bytes) and the scores. */
#include <stdio.h>

#include "host_model.h"

int main(int count, char **arguments)
{
    static int16_t sample[HOST_MODEL_CHANNELS];
    static SCORE scores[HOST_MODEL_CLASSES];
    FILE *samples = count == 3 ? fopen(arguments[1], "rb") : NULL;
    FILE *answers = count == 3 ? fopen(arguments[2], "wb") : NULL;
    if (samples == NULL || answers == NULL) {
        fprintf(stderr, "stream SAMPLES ANSWERS\n");
        return 1;
    }
    while (fread(sample, 1, sizeof sample, samples) == sizeof sample) {
        const uint16_t label = host_model_push(sample, scores);
        fwrite(&label, sizeof label, 1, answers);
        fwrite(scores, sizeof *scores, HOST_MODEL_CLASSES, answers);
    }
    return fclose(answers) == 0 ? 0 : 1;
}
