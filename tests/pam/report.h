/* How a case fails: a line on standard error, and a count. */

#ifndef PUSHMFA_TESTS_REPORT_H
#define PUSHMFA_TESTS_REPORT_H

#include <stdbool.h>

/* Say what is wrong, and count it.  number is a line of the case file, or 0. */
void fail(int number, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same, and end this process. */
void give_up(int number, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

/* From now on fail() is silent and counts nothing: where a fault is injected no
   conversation goes on as written.  What must never happen counts even then. */
void report_tolerate(void);
bool report_is_tolerant(void);
void fail_always(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Return 0 if nothing failed in this process, else 1. */
int failures(void);

#endif
