
static void part_@part@(uint8_t channel, const struct measures *measures)
{
    static int16_t logarithms[@filters@];
    static int32_t sums[@coefficients@];
@keep@    for (uint8_t number = 0; number < @coefficients@; number++) {
        sums[number] = 0;
@clear@    }
    for (uint16_t frame = 0; frame < @frames@; frame++) {
        uint16_t place = (uint16_t)((uint32_t)(first(channel) + frame * @frame_numbers@UL) % @numbers@UL);
        transform(sines_@part@, @points@, hann_@part@, @samples@, 0, place, &measures->spread);
        uint32_t falling = 0, rising = 0;
        uint16_t bin = (uint16_t)((WORD(&edges_@part@[0]) + 15U) / 16U);
        for (uint8_t side = 0; side < @edges@ - 1; side++) {
            const uint16_t from = WORD(&edges_@part@[side]);
            const uint16_t to = WORD(&edges_@part@[side + 1]);
            for (; 16 * bin < to; bin++) {
                const uint16_t share = (uint16_t)((uint32_t)(16 * bin - from) * 256UL / (uint16_t)(to - from));
                const uint32_t size = power(sines_@part@, @points@, bin);
                if (side < @filters@) {
                    rising += (size * share) >> 8;
                }
                falling += (size * (uint16_t)(256 - share)) >> 8;
            }
            if (side > 0) {
                logarithms[side - 1] = logarithm(falling, (int16_t)(8 + 2 * exponent), 16383);
            }
            falling = rising;
            rising = 0;
        }
        const int16_t *cosine = cosines_@part@;
        for (uint8_t number = 0; number < @coefficients@; number++) {
            int32_t sum = 0;
            for (uint8_t filter = 0; filter < @filters@; filter++) {
                sum += (int32_t)(int16_t)WORD(cosine++) * logarithms[filter];
            }
            const int16_t own = (int16_t)((sum >> 11) / @filters@);
            sums[number] += own;
@change@        }
    }
    for (uint8_t number = 0; number < @coefficients@; number++) {
        put(mean(sums[number], @frames@));
    }
@finish@}
