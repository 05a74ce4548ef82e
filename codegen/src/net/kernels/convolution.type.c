struct convolution {
    struct window window;
    uint16_t groups;
    uint8_t shift;
    int8_t in_zero, out_zero, low, high;
    const int8_t *weights;
    const int32_t *biases;
    const int32_t *multipliers;
};

