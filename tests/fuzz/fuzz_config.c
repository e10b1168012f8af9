/*
 * Input: a configuration file. Either it is one, or there are mistakes, and each is one line that
 * a terminal takes.
 */
#include "cli/config.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct options options;
    struct report report;
    char *text = fuzz_copy(data, size);
    report_init(&report);
    const struct command *role = config_read(text, size, "/dir", NULL, true, &options, &report);
    FUZZ_CHECK((role == NULL) == (report.mistakes > 0));
    for (size_t i = 0; i < report.count; i++)
        for (const char *c = report.entries[i].text; *c != '\0'; c++)
            FUZZ_CHECK((unsigned char)*c >= ' ' && *c != 127);
    if (role != NULL)
        options_clear(&options);
    report_clear(&report);
    free(text);
    return 0;
}
