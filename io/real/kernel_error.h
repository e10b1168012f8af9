/*
 * From errno to enum io_error: the one place where the kernel's errors get their meaning.
 */
#ifndef IO_REAL_KERNEL_ERROR_H
#define IO_REAL_KERNEL_ERROR_H

int kernel_error(int number);

#endif
