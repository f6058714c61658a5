/* How a case fails: a line on standard error, and a count. */

#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static int failed;
static bool tolerant;

static void
say(int number, const char *format, va_list arguments)
{
    failed = 1;
    if (number > 0)
        (void)fprintf(stderr, "  line %d: ", number);
    else
        (void)fprintf(stderr, "  ");
    (void)vfprintf(stderr, format, arguments);
    (void)fprintf(stderr, "\n");
}

void
report_tolerate(void)
{
    tolerant = true;
}

bool
report_is_tolerant(void)
{
    return tolerant;
}

void
fail(int number, const char *format, ...)
{
    va_list arguments;

    if (tolerant)
        return;
    va_start(arguments, format);
    say(number, format, arguments);
    va_end(arguments);
}

void
fail_always(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(0, format, arguments);
    va_end(arguments);
}

void
give_up(int number, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(number, format, arguments);
    va_end(arguments);
    _exit(1);
}

int
failures(void)
{
    return failed;
}
