/* A conversation file, read and checked.  README.md describes the format. */

#ifndef PUSHMFA_TESTS_SCRIPT_H
#define PUSHMFA_TESTS_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

enum { SCRIPT_LINES = 64, SCRIPT_TEXT = 1024 };

enum section {
    SECTION_OPTIONS,
    SECTION_STACK,
    SECTION_DAEMON,
    SECTION_PROMPTS,
    SECTION_RUN,
    SECTION_LOG,
    SECTIONS
};

/* One line: its first word, and the rest without "=" and outer blanks. */
struct line {
    int number;
    char word[32];
    char rest[SCRIPT_TEXT];
};

struct lines {
    size_t count;
    struct line line[SCRIPT_LINES];
};

struct script {
    struct lines section[SECTIONS];
    char folder[64]; /* what @dir@ stands for */
};

/* Read the file.  An unknown section or first word ends the process: a case
   with a typing error must not pass. */
void script_read(struct script *script, const char *path);

/* Return the value of an option, the default where it is not given; a constant
   of the script, not expanded. */
const char *script_option(const struct script *script, const char *word,
                          const char *otherwise);

/* Write text to out with @dir@, @pid@ and @uid@ replaced and \n, \\ and \xNN
   resolved.  Return the length; out is NUL-terminated too. */
size_t script_expand(const struct script *script, const char *text, char *out,
                     size_t size);

#endif
