
uint16_t @name@_answer(const uint8_t row[@columns@], float scores[@classes@])
{
    float projected[@dimensions@];
    const float *weight = projection;
    for (uint16_t dimension = 0; dimension < @dimensions@; dimension++) {
        float sum = 0.0f;
        for (uint16_t column = 0; column < @columns@; column++) {
            sum += REAL(weight++) * (float)row[column];
        }
        projected[dimension] = REAL(&bias[dimension]) + sum;
    }
    for (uint16_t class = 0; class < @classes@; class++) {
        scores[class] = 0.0f;
    }
    for (uint16_t prototype = 0; prototype < @prototypes@; prototype++) {
        float square = 0.0f;
        for (uint16_t dimension = 0; dimension < @dimensions@; dimension++) {
            const float place = REAL(&prototypes[prototype * @dimensions@U + dimension]);
            const float difference = place - projected[dimension];
            square += difference * difference;
        }
        const float close = expf(-@sharpness@ * square);
        for (uint16_t class = 0; class < @classes@; class++) {
            scores[class] += close * REAL(&values[prototype * @classes@U + class]);
        }
    }
    return best(scores);
}
