/* The highest level of each window; the border does not count. */
static void max_pool(const struct window *window, const int8_t *input, int8_t *output)
{
    const int channels = window->in_channels;
    for (int out_y = 0; out_y < window->out_height; out_y++) {
        for (int out_x = 0; out_x < window->out_width; out_x++) {
            for (int channel = 0; channel < channels; channel++) {
                int8_t highest = INT8_MIN;
                for (int cell = 0; cell < window->kernel_height * window->kernel_width; cell++) {
                    const int y = out_y * window->stride_y - window->pad_top
                                  + cell / window->kernel_width * window->dilation_y;
                    const int x = out_x * window->stride_x - window->pad_left
                                  + cell % window->kernel_width * window->dilation_x;
                    if (y < 0 || x < 0 || y >= window->in_height || x >= window->in_width) {
                        continue;
                    }
                    const int8_t level = input[(y * window->in_width + x) * channels + channel];
                    highest = level > highest ? level : highest;
                }
                *output++ = highest;
            }
        }
    }
}

