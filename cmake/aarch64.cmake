# Toolchain: for aarch64 on another processor, with Debian's cross compiler and the arm64 packages unpacked in STM_SYSROOT
# (scripts/check_aarch64 does both). Programs of the build run under QEMU.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES STM_SYSROOT)
set(CMAKE_SYSROOT ${STM_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L ${STM_SYSROOT})

# MPI and HDF5 by place: the compiler wrappers and the pkg-config files found are of the machine that builds.
set(libraries ${STM_SYSROOT}/usr/lib/aarch64-linux-gnu)
set(MPI_SKIP_COMPILER_WRAPPER TRUE)
set(ENV{PKG_CONFIG_LIBDIR} ${libraries}/pkgconfig)
set(MPI_C_HEADER_DIR ${libraries}/openmpi/include CACHE PATH "")
set(MPI_C_LIB_NAMES mpi CACHE STRING "")
set(MPI_mpi_LIBRARY ${libraries}/openmpi/lib/libmpi.so CACHE FILEPATH "")
set(HDF5_ROOT ${libraries}/hdf5/openmpi)
