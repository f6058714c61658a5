/* What the module and libpam write to the system log, caught in memory: the
   program's own syslog() comes before glibc's when libpam looks for it.

   <syslog.h> is not included: with _FORTIFY_SOURCE it defines these itself. */

#include "log_capture.h"
#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* NOLINTBEGIN(bugprone-*,cert-*,misc-*): glibc's names, for libpam to find */
void syslog(int priority, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void __syslog_chk(int priority, int flag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* NOLINTEND(bugprone-*,cert-*,misc-*) */

enum { LOG_LINES = 32 };

static char logged[LOG_LINES][SCRIPT_TEXT];
static size_t logged_count;

/* Write "level text", without the "pam_pushmfa(service:phase): " of libpam. */
static void
keep(int priority, const char *format, va_list arguments)
{
    static const char *const levels[] = {"emerg",   "alert",  "crit", "err",
                                         "warning", "notice", "info", "debug"};
    char text[SCRIPT_TEXT - 16];
    const char *start;

    (void)vsnprintf(text, sizeof(text), format, arguments);
    start = strstr(text, "): ");
    if (strncmp(text, "pam_pushmfa(", 12) != 0 || start == NULL)
        start = text;
    else
        start += 3;
    if (logged_count == LOG_LINES)
        give_up(0, "too many log lines");
    (void)snprintf(logged[logged_count++], SCRIPT_TEXT, "%s %s",
                   levels[priority & 7], start);
}

void
syslog(int priority, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    keep(priority, format, arguments);
    va_end(arguments);
}

/* What a libpam built with _FORTIFY_SOURCE calls. */
void
__syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list arguments;

    (void)flag;
    va_start(arguments, format);
    keep(priority, format, arguments);
    va_end(arguments);
}

void
log_capture_compare(const struct script *script)
{
    const struct lines *wanted = &script->section[SECTION_LOG];
    size_t i;

    for (i = 0; i < wanted->count || i < logged_count; i++) {
        char text[SCRIPT_TEXT * 2];
        char expanded[SCRIPT_TEXT];

        if (i >= wanted->count) {
            fail(0, "logged, but not in [log]: %s", logged[i]);
            continue;
        }
        (void)snprintf(text, sizeof(text), "%s %s", wanted->line[i].word,
                       wanted->line[i].rest);
        (void)script_expand(script, text, expanded, sizeof(expanded));
        if (i >= logged_count)
            fail(wanted->line[i].number, "not logged");
        else if (strcmp(expanded, logged[i]) != 0)
            fail(wanted->line[i].number, "logged: %s", logged[i]);
    }
}
