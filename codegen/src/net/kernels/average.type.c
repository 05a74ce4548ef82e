struct average {
    struct window window;
    uint8_t shift;
    int8_t in_zero, out_zero, low, high;
    int32_t multiplier;
};

