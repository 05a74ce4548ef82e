struct change {
    int32_t count;
    int32_t multiplier;
    uint8_t shift;
    int8_t in_zero, out_zero, low, high;
};

