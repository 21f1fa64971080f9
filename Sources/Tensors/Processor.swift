import CKernels

/// The instruction set that this process computes with.
public struct Processor: Sendable {
    /// What the kernels may use.
    package let cpu: pp_cpu

    /// The name of the instruction set: "scalar", "avx2", "avx512" or "amx".
    public var instructionSet: String { String(cString: pp_isa_name(cpu.isa)) }

    /// Whether the processor multiplies bfloat16 in hardware.
    public var hasBFloat16: Bool { cpu.amx_bf16 || cpu.avx512_bf16 }

    /// What the CPU and operating system offer, capped by the environment variable `POLYPROMPT_ISA`.
    ///
    /// - Throws: `TensorError` when the variable is none of the instruction sets' names.
    public static func current() throws(TensorError) -> Processor {
        var cpu = pp_cpu()
        guard pp_cpu_detect(&cpu) == 0 else {
            throw TensorError(
                "POLYPROMPT_ISA is not an instruction set; scalar, avx2, avx512 or amx was expected")
        }
        return Processor(cpu: cpu)
    }
}
