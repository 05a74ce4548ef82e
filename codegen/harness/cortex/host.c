/* Replays inputs on the host: standard input, NET_INPUT_COUNT bytes an input, to standard output. */
#include <stdio.h>

#include "net.h"

int main(void)
{
    while (fread(net_input(), 1, NET_INPUT_COUNT, stdin) == NET_INPUT_COUNT) {
        if (fwrite(net_run(), sizeof(net_output), NET_OUTPUT_COUNT, stdout) != NET_OUTPUT_COUNT) {
            return 2;
        }
    }
    return 0;
}
