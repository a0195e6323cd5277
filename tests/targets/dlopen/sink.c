/* The sink that late.c loads. */
struct record {
    unsigned long number;
};

__attribute__((noinline)) void sink_write(struct record *record)
{
    __asm__ volatile("" : : "r"(record) : "memory");
    record->number++;
}
