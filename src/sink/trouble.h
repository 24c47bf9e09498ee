/* sink/trouble.h - what an error reply of Redis means to a person.
 * Promise  Static words, never NULL. */
#ifndef SINK_TROUBLE_H
#define SINK_TROUBLE_H

/* error: an error reply's text. "its memory is full"; what it does not know: "it answers with an error". */
const char *sink_trouble_words(const char *error);

#endif
