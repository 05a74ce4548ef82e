
uint16_t @name@_answer(const uint8_t row[@columns@], int32_t scores[@classes@])
{
    int16_t projected[@dimensions@];
    const int8_t *weight = projection;
    for (uint16_t dimension = 0; dimension < @dimensions@; dimension++) {
        int32_t sum = LONG(&bias[dimension]);
        for (uint16_t column = 0; column < @columns@; column++) {
            sum += (int16_t)((int16_t)SIGNED(weight) * (int16_t)row[column]);
            weight++;
        }
        sum = (sum * (int32_t)WORD(&multipliers[dimension])) >> @shift@;
        projected[dimension] = (int16_t)(sum > 512 ? 512 : sum < -512 ? -512 : sum);
    }
    for (uint16_t class = 0; class < @classes@; class++) {
        scores[class] = 0;
    }
    const int8_t *place = prototypes;
    for (uint16_t prototype = 0; prototype < @prototypes@; prototype++) {
        uint32_t square = 0;
        for (uint16_t dimension = 0; dimension < @dimensions@; dimension++) {
            int16_t difference = (int16_t)(projected[dimension] - SIGNED(place));
            place++;
            if (difference < 0) {
                difference = (int16_t)-difference;
            }
            const uint8_t apart = difference > 255 ? 255 : (uint8_t)difference;
            square += (uint16_t)((uint16_t)apart * (uint16_t)apart);
        }
        if (square >= @cutoff@UL) {
            continue;
        }
        const uint8_t close = BYTE(&exponentials[(square * @factor@UL) >> @factor_shift@]);
@entries@
    }
    return best(scores);
}
