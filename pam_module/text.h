/* Text from outside, made harmless before a terminal or a log shows it. */

#ifndef PUSHMFA_TEXT_H
#define PUSHMFA_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Enough for any name worth reading in a log line, with its NUL. */
enum { TEXT_WORD_SIZE = 65 };

struct word {
    char text[TEXT_WORD_SIZE];
};

/* Return value as one word of visible ASCII: every other byte, the space too,
   becomes '?' (a user name may not forge a field of the log line), and a long
   value is cut.  NULL becomes "". */
struct word text_word(const char *value);

/* Return whether all length bytes are printable ASCII, or newlines where
   newlines is true: what may go to a terminal as it is. */
bool text_is_printable(const char *bytes, size_t length, bool newlines);

#endif
