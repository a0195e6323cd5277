// Calls within calls. For each line of standard input, which is a number: so many calls of `descend`, one within the other, then the line
// "done". Ends with its input.
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#ifdef __cplusplus
extern "C"
#endif
__attribute__((noinline, noclone)) uint64_t descend(uint64_t left, uint64_t *sum) {
    __asm__ volatile("" ::"r"(left), "r"(sum) : "memory");
    uint64_t below = left > 1 ? descend(left - 1, sum) : 0;
    // Behind the call, so that it is no jump.
    *sum += left;
    return below + 1;
}

int main(void) {
#ifdef __cplusplus
    // Never happens; but the file can throw.
    if (clock() == (clock_t)-1)
        throw 1;
#endif
    uint64_t depth, sum = 0;
    while (scanf("%lu", &depth) == 1) {
        uint64_t calls = descend(depth, &sum);
        printf("done %lu\n", calls);
        fflush(stdout);
    }
    return 0;
}
