/* replay ROWS ANSWERS: answers rows from a file; for each the class (2 bytes) and the scores. */
#include <stdio.h>

#include "host_model.h"

int main(int count, char **arguments)
{
    static uint8_t row[HOST_MODEL_COLUMNS];
    static SCORE scores[HOST_MODEL_CLASSES];
    FILE *rows = count == 3 ? fopen(arguments[1], "rb") : NULL;
    FILE *answers = count == 3 ? fopen(arguments[2], "wb") : NULL;
    if (rows == NULL || answers == NULL) {
        fprintf(stderr, "replay ROWS ANSWERS\n");
        return 1;
    }
    while (fread(row, 1, sizeof row, rows) == sizeof row) {
        const uint16_t label = host_model_answer(row, scores);
        fwrite(&label, sizeof label, 1, answers);
        fwrite(scores, sizeof *scores, HOST_MODEL_CLASSES, answers);
    }
    return fclose(answers) == 0 ? 0 : 1;
}
