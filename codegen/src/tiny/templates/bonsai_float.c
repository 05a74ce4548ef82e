
static float product(const float *weights, const float *projected)
{
    float sum = 0.0f;
    for (uint8_t dimension = 0; dimension < @dimensions@; dimension++) {
        sum += REAL(&weights[dimension]) * projected[dimension];
    }
    return sum;
}

uint16_t @name@_answer(const uint8_t row[@columns@], float scores[@classes@])
{
    float projected[@dimensions@];
    uint16_t entry = 0;
    for (uint8_t dimension = 0; dimension < @dimensions@; dimension++) {
        float sum = REAL(&bias[dimension]);
        for (uint16_t left = WORD(&counts[dimension]); left != 0; left--) {
            sum += REAL(&values[entry]) * (float)row[WORD(&columns[entry])];
            entry++;
        }
        projected[dimension] = sum;
    }
    for (uint16_t class = 0; class < @classes@; class++) {
        scores[class] = 0.0f;
    }
    uint16_t node = 0;
    for (uint8_t level = 0;; level++) {
        for (uint16_t output = 0; output < @outputs@; output++) {
            const uint16_t at = (uint16_t)((node * @outputs@U + output) * @dimensions@U);
            const float open = tanhf(product(&gates[at], projected));
            scores[output] += product(&weights[at], projected) * open;
        }
        if (level == @depth@) {
            break;
        }
@branch@    }
@finish@
    return best(scores);
}
