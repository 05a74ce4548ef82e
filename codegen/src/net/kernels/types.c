/* How a window slides. Values lie row by row, the channels of a pixel together. */
struct window {
    uint16_t in_height, in_width, in_channels;
    uint16_t out_height, out_width, out_channels;
    uint16_t kernel_height, kernel_width;
    uint16_t stride_y, stride_x;
    uint16_t dilation_y, dilation_x;
    uint16_t pad_top, pad_left;
};

