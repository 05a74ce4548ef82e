
static int16_t ring[@numbers@];
/* The oldest sample, and how many samples are wanted until the next window. */
static uint16_t oldest;
static uint16_t wanted = @length@;
static uint8_t row[@columns@];
static uint16_t filled;

/* Samples less a middle, brought to 15 bits: times 2^exponent they are what they were. */
struct spread {
    int16_t middle;
    int16_t factor;
    int8_t exponent;
    uint8_t wide;
};

struct measures {
    int16_t least;
    int16_t greatest;
    struct spread spread;
};

static void put(int16_t feature)
{
    const int16_t low = (int16_t)WORD(&lows[filled]);
    uint8_t byte = 0;
    if (feature > low) {
        const uint16_t above = (uint16_t)((uint16_t)feature - (uint16_t)low);
        const uint32_t product = (uint32_t)above * WORD(&factors[filled]) + 0x8000UL;
        const uint16_t steps = (uint16_t)(product >> 16);
        byte = steps > 255 ? 255 : (uint8_t)steps;
    }
    row[filled++] = byte;
}

/* Not functions: a call for each sample of each loop is a tenth of all cycles. */
#define NEXT(place) \
    ((uint16_t)((place) >= @last@ ? (place) - @last@ : (place) + @channels@))
#define SPREAD(spread, sample)                                       \
    ((spread)->wide ? (int16_t)(((sample) >> 1) - ((spread)->middle >> 1)) \
                    : (int16_t)(((sample) - (spread)->middle) * (spread)->factor))

static uint16_t first(uint8_t channel)
{
    return (uint16_t)(oldest + channel);
}

static int16_t mean(int32_t sum, uint16_t count)
{
    const int32_t half = count / 2;
    return (int16_t)((sum < 0 ? sum - half : sum + half) / (int32_t)count);
}

static void set_spread(struct spread *spread, int16_t least, int16_t greatest, int16_t middle)
{
    uint16_t peak = (uint16_t)(greatest > middle ? (uint16_t)greatest - (uint16_t)middle
                                                 : (uint16_t)middle - (uint16_t)greatest);
    const uint16_t down = (uint16_t)(least > middle ? (uint16_t)least - (uint16_t)middle
                                                    : (uint16_t)middle - (uint16_t)least);
    if (down > peak) {
        peak = down;
    }
    spread->middle = middle;
    spread->wide = peak > 32767;
    spread->factor = peak != 0;
    spread->exponent = (int8_t)spread->wide;
    while (!spread->wide && peak != 0 && peak < 16384) {
        peak = (uint16_t)(peak << 1);
        spread->factor = (int16_t)(spread->factor * 2);
        spread->exponent--;
    }
}

static void measure(struct measures *measures, uint8_t channel)
{
    int16_t least = 32767, greatest = -32767 - 1;
    int32_t sum = 0;
    uint16_t place = first(channel);
    for (uint16_t left = @length@; left != 0; left--) {
        const int16_t sample = ring[place];
        least = sample < least ? sample : least;
        greatest = sample > greatest ? sample : greatest;
        sum += sample;
        place = NEXT(place);
    }
    measures->least = least;
    measures->greatest = greatest;
    set_spread(&measures->spread, least, greatest, mean(sum, @length@));
}
