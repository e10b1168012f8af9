#include "lib/sodiumtcp/items.h"

static struct sodiumtcp_announced *at(struct sodiumtcp_items *items, uint32_t number)
{
    return &items->ring[number % SODIUMTCP_ASKED_MAX];
}

static const struct sodiumtcp_announced *head(const struct sodiumtcp_items *items)
{
    return &items->ring[items->over % SODIUMTCP_ASKED_MAX];
}

static bool waits_for_offer(const struct sodiumtcp_announced *item)
{
    return item->exists != SODIUMTCP_REPLACE && !item->answered;
}

static bool without_contents(const struct sodiumtcp_announced *item)
{
    return item->kind == SODIUMTCP_DIRECTORY ||
           (item->answered && item->verdict == SODIUMTCP_LEAVE_IT);
}

/* Passes over items that need nothing any more. */
static void advance(struct sodiumtcp_items *items)
{
    while (items->over < items->announced && without_contents(head(items)))
        items->over++;
    while (items->offered < items->announced && !waits_for_offer(at(items, items->offered)))
        items->offered++;
}

int sodiumtcp_items_begin(struct sodiumtcp_items *items, uint32_t number,
                          const struct sodiumtcp_item *item)
{
    if (items->finishing || number != items->announced || number == SODIUMTCP_NO_ITEM)
        return SODIUMTCP_E_ORDER;
    if (items->announced - items->over >= SODIUMTCP_ASKED_MAX ||
        items->announced - items->acked >= SODIUMTCP_UNACKED_MAX)
        return SODIUMTCP_E_ITEMS;
    *at(items, number) = (struct sodiumtcp_announced){
        .kind = (uint8_t)item->kind, .exists = (uint8_t)item->exists, .size = item->size};
    items->announced++;
    advance(items);
    return SODIUMTCP_OK;
}

int sodiumtcp_items_offer(struct sodiumtcp_items *items, uint32_t number, uint8_t verdict,
                          uint64_t length)
{
    if (number != items->offered || number >= items->announced)
        return SODIUMTCP_E_ORDER;
    struct sodiumtcp_announced *item = at(items, number);
    bool part = verdict == SODIUMTCP_PART_THERE;
    if (verdict > SODIUMTCP_LEAVE_IT || (part && item->exists != SODIUMTCP_RESUME) ||
        (verdict == SODIUMTCP_LEAVE_IT && item->exists != SODIUMTCP_SKIP))
        return SODIUMTCP_E_FIELD;
    if (part ? length == 0 || length > item->size : length != 0)
        return SODIUMTCP_E_LENGTH;
    item->answered = true;
    item->verdict = verdict;
    item->offered_len = length;
    advance(items);
    return SODIUMTCP_OK;
}

int sodiumtcp_items_may_start(const struct sodiumtcp_items *items)
{
    bool next = !items->open && items->over < items->announced;
    return next && !waits_for_offer(head(items)) ? SODIUMTCP_OK : SODIUMTCP_E_ORDER;
}

int sodiumtcp_items_start(struct sodiumtcp_items *items, uint32_t number, uint64_t offset)
{
    if (number != items->over || sodiumtcp_items_may_start(items))
        return SODIUMTCP_E_ORDER;
    if (offset != 0 && offset != head(items)->offered_len)
        return SODIUMTCP_E_LENGTH;
    items->open = true;
    items->position = offset;
    return SODIUMTCP_OK;
}

uint64_t sodiumtcp_items_left(const struct sodiumtcp_items *items)
{
    if (!items->open)
        return 0;
    uint64_t size = head(items)->size;
    return size == SODIUMTCP_SIZE_UNKNOWN ? UINT64_MAX : size - items->position;
}

int sodiumtcp_items_data(struct sodiumtcp_items *items, size_t plain_len)
{
    if (!items->open)
        return SODIUMTCP_E_ORDER;
    if (plain_len > sodiumtcp_items_left(items))
        return SODIUMTCP_E_LENGTH;
    items->position += plain_len;
    return SODIUMTCP_OK;
}

int sodiumtcp_items_end(struct sodiumtcp_items *items, uint32_t number, uint8_t status,
                        uint64_t length)
{
    if (!items->open || number != items->over)
        return SODIUMTCP_E_ORDER;
    if (status > SODIUMTCP_ABANDONED)
        return SODIUMTCP_E_FIELD;
    uint64_t size = head(items)->size;
    bool whole = size == SODIUMTCP_SIZE_UNKNOWN || length == size;
    if (length != items->position || (status != SODIUMTCP_ABANDONED && !whole))
        return SODIUMTCP_E_LENGTH;
    items->open = false;
    items->over++;
    advance(items);
    return SODIUMTCP_OK;
}

int sodiumtcp_items_ack(struct sodiumtcp_items *items, uint32_t number, uint8_t status)
{
    if (number != items->acked || number >= items->over)
        return SODIUMTCP_E_ORDER;
    if (status > SODIUMTCP_NOT_KEPT)
        return SODIUMTCP_E_FIELD;
    items->acked++;
    return SODIUMTCP_OK;
}

int sodiumtcp_items_finish(struct sodiumtcp_items *items, uint32_t count)
{
    if (items->finishing || items->over != items->announced || count != items->announced)
        return SODIUMTCP_E_ORDER;
    items->finishing = true;
    return SODIUMTCP_OK;
}

int sodiumtcp_items_finished(const struct sodiumtcp_items *items, uint32_t count)
{
    bool all = items->finishing && items->acked == items->announced;
    return all && count == items->announced ? SODIUMTCP_OK : SODIUMTCP_E_ORDER;
}
