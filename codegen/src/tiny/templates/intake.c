
void @name@_intake(const float numbers[@columns@], uint8_t row[@columns@])
{
    for (uint16_t column = 0; column < @columns@; column++) {
        const float step = REAL(&steps[column]);
        const float low = REAL(&lows[column]);
        const float place = step > 0.0f ? (numbers[column] - low) / step + 0.5f : 0.0f;
        row[column] = place >= 255.0f ? 255 : place >= 0.0f ? (uint8_t)place : 0;
    }
}
