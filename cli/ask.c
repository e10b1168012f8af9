#include "cli/ask.h"

#include "base/encode.h"
#include "io/real/ask.h"

#include <stdlib.h>
#include <string.h>

static json_t *understand(const char *line, size_t len, char why[OPTION_WHY_MAX])
{
    json_error_t error;
    json_t *answer = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(answer)) {
        snprintf(why, OPTION_WHY_MAX, "the answer is no JSON object");
        json_decref(answer);
        return NULL;
    }
    const char *complaint = json_string_value(json_object_get(answer, "error"));
    if (complaint != NULL) {
        char shown[OPTION_WHY_MAX];
        snprintf(why, OPTION_WHY_MAX, "%s",
                 text_escape(complaint, strlen(complaint), shown, sizeof shown));
        json_decref(answer);
        return NULL;
    }
    return answer;
}

json_t *ask(const char *path, const char *command, char why[OPTION_WHY_MAX])
{
    char request[128];
    snprintf(request, sizeof request, "{\"command\":\"%s\"}\n", command);
    size_t len = 0;
    char *line = io_ask(path, request, ASK_ANSWER_MAX, &len, why, OPTION_WHY_MAX);
    if (line == NULL)
        return NULL;
    json_t *answer = understand(line, len, why);
    free(line);
    return answer;
}
