
static int16_t work[@most_points@];
static int16_t exponent;

static int16_t half(int32_t product)
{
    return (int16_t)((product + 0x8000L) >> 16);
}

static void level(uint16_t points)
{
    int16_t bits = 0;
    for (uint16_t at = 0; at < points; at++) {
        bits |= (int16_t)(work[at] < 0 ? ~work[at] : work[at]);
    }
    if (bits >= 16384) {
        for (uint16_t at = 0; at < points; at++) {
            work[at] = (int16_t)(work[at] >> 1);
        }
        exponent++;
        return;
    }
    int16_t factor = 1;
    while (bits != 0 && bits < 8192) {
        bits = (int16_t)(bits * 2);
        factor = (int16_t)(factor * 2);
        exponent--;
    }
    if (factor != 1) {
        for (uint16_t at = 0; at < points; at++) {
            work[at] = (int16_t)(work[at] * factor);
        }
    }
}

static void reverse(uint16_t count)
{
    uint16_t other = 0;
    for (uint16_t at = 1; at < count; at++) {
        uint16_t bit = count / 2;
        while (other & bit) {
            other = (uint16_t)(other ^ bit);
            bit /= 2;
        }
        other = (uint16_t)(other | bit);
        if (at < other) {
            for (uint8_t part = 0; part < 2; part++) {
                const int16_t kept = work[2 * at + part];
                work[2 * at + part] = work[2 * other + part];
                work[2 * other + part] = kept;
            }
        }
    }
}

static void butterfly(int16_t *a, int16_t *b, int16_t cosine, int16_t sine)
{
    const int16_t turned_real = half((int32_t)b[0] * cosine + (int32_t)b[1] * sine);
    const int16_t turned_imaginary = half((int32_t)b[1] * cosine - (int32_t)b[0] * sine);
    const int16_t real = (int16_t)(a[0] >> 1);
    const int16_t imaginary = (int16_t)(a[1] >> 1);
    a[0] = (int16_t)(real + turned_real);
    a[1] = (int16_t)(imaginary + turned_imaginary);
    b[0] = (int16_t)(real - turned_real);
    b[1] = (int16_t)(imaginary - turned_imaginary);
}

/* Sines of `points`, three quarters of a turn; samples from `place` on, `thin` averaged to one. */
static void transform(const int16_t *sines, uint16_t points, const int16_t *hann, uint16_t samples,
                      uint8_t thin, uint16_t place, const struct spread *spread)
{
    const uint16_t count = points / 2;
    int32_t sum = 0;
    for (uint16_t at = 0; at < samples; at++) {
        int32_t all = 0;
        for (uint8_t left = (uint8_t)(1 << thin); left != 0; left--) {
            all += SPREAD(spread, ring[place]);
            place = NEXT(place);
        }
        work[at] = (int16_t)(all >> thin);
        sum += work[at];
    }
    const int16_t rest = mean(sum, samples);
    for (uint16_t at = 0; at < samples; at++) {
        const uint16_t mirrored = (uint16_t)(samples - 1 - at);
        const int16_t weight = (int16_t)WORD(&hann[mirrored < at ? mirrored : at]);
        work[at] = (int16_t)((((int32_t)work[at] - rest) * weight) >> 16);
    }
    for (uint16_t at = samples; at < points; at++) {
        work[at] = 0;
    }
    exponent = (int16_t)(spread->exponent + 1);
    reverse(count);
    for (uint16_t span = 1; span < count; span *= 2) {
        level(points);
        const uint16_t step = count / span;
        for (uint16_t from = 0; from < span; from++) {
            const int16_t *wave = &sines[from * step];
            const int16_t sine = (int16_t)WORD(wave);
            const int16_t cosine = (int16_t)WORD(wave + points / 4);
            for (uint16_t at = from; at < count; at += 2 * span) {
                butterfly(&work[2 * at], &work[2 * (at + span)], cosine, sine);
            }
        }
        exponent++;
    }
    level(points);
    exponent++;
}

/* The power of a bin, less eight bits. */
static uint32_t power(const int16_t *sines, uint16_t points, uint16_t bin)
{
    const int16_t *near = &work[2 * bin], *far = &work[points - 2 * bin];
    const int16_t odd_real = (int16_t)(((int32_t)near[1] + far[1]) >> 1);
    const int16_t odd_imaginary = (int16_t)(((int32_t)far[0] - near[0]) >> 1);
    const int16_t sine = (int16_t)WORD(&sines[bin]);
    const int16_t cosine = (int16_t)WORD(&sines[bin + points / 4]);
    int16_t real = (int16_t)(((int32_t)near[0] + far[0]) >> 2);
    int16_t imaginary = (int16_t)(((int32_t)near[1] - far[1]) >> 2);
    real = (int16_t)(real + half((int32_t)odd_real * cosine + (int32_t)odd_imaginary * sine));
    imaginary =
        (int16_t)(imaginary + half((int32_t)odd_imaginary * cosine - (int32_t)odd_real * sine));
    return ((uint32_t)((int32_t)real * real) + (uint32_t)((int32_t)imaginary * imaginary)) >> 8;
}
