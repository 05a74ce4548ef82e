/* The mean of each window; the border counts as zeros. */
static void average_pool(const struct average *layer, const int8_t *input, int8_t *output)
{
    const struct window *window = &layer->window;
    const int channels = window->in_channels;
    for (int out_y = 0; out_y < window->out_height; out_y++) {
        for (int out_x = 0; out_x < window->out_width; out_x++) {
            for (int channel = 0; channel < channels; channel++) {
                int32_t sum = 0;
                for (int kernel_y = 0; kernel_y < window->kernel_height; kernel_y++) {
                    const int y = out_y * window->stride_y - window->pad_top + kernel_y;
                    if (y < 0 || y >= window->in_height) {
                        continue;
                    }
                    for (int kernel_x = 0; kernel_x < window->kernel_width; kernel_x++) {
                        const int x = out_x * window->stride_x - window->pad_left + kernel_x;
                        if (x < 0 || x >= window->in_width) {
                            continue;
                        }
                        sum += input[(y * window->in_width + x) * channels + channel]
                               - layer->in_zero;
                    }
                }
                const int32_t level = rescale(sum, layer->multiplier, layer->shift);
                *output++ = bounded(level + layer->out_zero, layer->low, layer->high);
            }
        }
    }
}

