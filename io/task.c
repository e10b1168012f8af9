#include "io/core.h"

void io_task_init(struct io_task *task, struct io_loop *loop, void (*run)(void *arg), void *arg)
{
    *task = (struct io_task){.loop = loop, .run = run, .arg = arg};
}

void io_task_queue(struct io_task *task)
{
    if (task->link != NULL)
        return;
    struct io_task_list *tasks = &io_core_of(task->loop)->tasks;
    task->next = NULL;
    task->link = tasks->end;
    *tasks->end = task;
    tasks->end = &task->next;
}

void io_task_cancel(struct io_task *task)
{
    if (task->link == NULL)
        return;
    struct io_core *core = io_core_of(task->loop);
    *task->link = task->next;
    if (task->next != NULL)
        task->next->link = task->link;
    else if (core->tasks.end == &task->next)
        core->tasks.end = task->link;
    else
        core->running.end = task->link;
    task->next = NULL;
    task->link = NULL;
}

bool io_core_busy(const struct io_core *core)
{
    return core->tasks.first != NULL;
}

void io_core_run_tasks(struct io_core *core)
{
    if (core->tasks.first == NULL)
        return;
    core->running = core->tasks;
    core->running.first->link = &core->running.first;
    core->tasks.first = NULL;
    core->tasks.end = &core->tasks.first;
    struct io_task *task;
    while ((task = core->running.first) != NULL) {
        io_task_cancel(task);
        task->run(task->arg);
    }
}
