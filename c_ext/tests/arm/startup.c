/* SPDX-License-Identifier: Apache-2.0 */

/* From reset to main on an emulated Cortex-M. newlib's rdimon library does the printing and the exit, through
 * semihosting: breakpoint 0xab, which the emulator serves. Source: Arm, Semihosting for AArch32 and AArch64. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SYS_WRITE0 = 0x04,
    FAULT_EXIT_CODE = 70
};

/* Set by memory.ld; their addresses are what is meant. */
extern uint32_t memory_stack_top[];
extern const uint32_t memory_data_source[];
extern uint32_t memory_data_start[];
extern uint32_t memory_data_end[];
extern uint32_t memory_bss_start[];
extern uint32_t memory_bss_end[];

int main(void);
void initialise_monitor_handles(void); /* of rdimon: opens the host's stdout */
void reset_handler(void);
void fault_handler(void);

static void say(const char *text)
{
    register uint32_t operation __asm__("r0") = SYS_WRITE0;
    register const char *argument __asm__("r1") = text;

    __asm__ volatile("bkpt 0xab" : "+r"(operation) : "r"(argument) : "memory");
}

void fault_handler(void)
{
    say("fault: a bad access\n");
    _Exit(FAULT_EXIT_CODE);
}

void reset_handler(void)
{
    static char line[80]; /* else printf would want a heap */
    const uint32_t *source = memory_data_source;
    int code;

    for (uint32_t *word = memory_data_start; word != memory_data_end; word++) {
        *word = *source++;
    }
    for (uint32_t *word = memory_bss_start; word != memory_bss_end; word++) {
        *word = 0;
    }
#if defined(__ARM_FP)
    *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20; /* CPACR: coprocessors 10 and 11, the floating-point unit */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    initialise_monitor_handles();
    (void)setvbuf(stdout, line, _IOLBF, sizeof(line));
    code = main();
    (void)fflush(stdout);
    _Exit(code);
}

/* Reset and the faults; nothing else is ever enabled. Source: Armv6-M and Armv7-M architecture reference manuals, B1.5.
 */
__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack_top;
    void (*handlers[6])(void); /* reset, NMI, hard fault, memory management, bus, usage */
} vectors = {
    memory_stack_top,
    {reset_handler, fault_handler, fault_handler, fault_handler, fault_handler, fault_handler},
};
