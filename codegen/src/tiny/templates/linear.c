
uint16_t @name@_answer(const uint8_t row[@columns@], int32_t scores[@classes@])
{
    const int8_t *weight = weights;
    for (uint16_t output = 0; output < @outputs@; output++) {
        int32_t sum = LONG(&bias[output]);
        for (@count@ at = 0; at < @counting@; at++) {
            sum += (int16_t)((int16_t)SIGNED(weight) * (int16_t)row[@column@]);
            weight++;
        }
        scores[output] = sum;
    }
@finish@
    return best(scores);
}
