#pragma once

/// Stands before a function of plain loops: compiles it for several instruction sets, of which the
/// loader takes the processor's best. Elsewhere than on x86-64 the compiler's target is the one
/// set: NEON, which every aarch64 processor has. Loops with explicit vectors are in
/// kernels/cpu/instruction_sets.hpp.
#if defined(__x86_64__)
#define STM_VECTOR_CLONES [[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#else
#define STM_VECTOR_CLONES
#endif
