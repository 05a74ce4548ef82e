struct sum {
    int32_t count;
    int32_t left_multiplier, right_multiplier;
    uint8_t shift;
    int8_t left_zero, right_zero, out_zero, low, high;
};

