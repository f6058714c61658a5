/* Text from outside, made harmless before a terminal or a log shows it. */

#include "text.h"

struct word
text_word(const char *value)
{
    struct word word = {{0}};
    size_t i;

    for (i = 0; value != NULL && value[i] != '\0' && i < TEXT_WORD_SIZE - 1;
         i++)
        word.text[i] =
            (char)(value[i] > ' ' && value[i] <= '~' ? value[i] : '?');
    return word;
}

bool
text_is_printable(const char *bytes, size_t length, bool newlines)
{
    size_t i;

    for (i = 0; i < length; i++)
        if ((bytes[i] < ' ' || bytes[i] > '~') &&
            !(newlines && bytes[i] == '\n'))
            return false;
    return true;
}
