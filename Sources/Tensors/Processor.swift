import CKernels

/// The instruction set that this process computes with.
public struct Processor: Sendable {
    private let cpu: pp_cpu

    /// The kernels for it, which every call of one is given.
    ///
    /// `nonisolated(unsafe)`: the table is constant and static, so any thread may read it at any time.
    package nonisolated(unsafe) let kernels: UnsafePointer<pp_kernels>

    /// The name of the instruction set: "scalar", "avx2", "avx512" or "amx".
    public var instructionSet: String { String(cString: pp_isa_name(cpu.isa)) }

    /// Whether the processor multiplies bfloat16 in hardware.
    public var hasBFloat16: Bool { cpu.avx512_bf16 }

    private init(_ cpu: pp_cpu) {
        self.cpu = cpu
        kernels = withUnsafePointer(to: cpu) { pp_kernels_for($0) }
    }

    /// What the CPU and operating system offer, capped by the environment variable `POLYPROMPT_ISA`.
    ///
    /// - Throws: `TensorError` when the variable is none of the instruction sets' names.
    public static func current() throws(TensorError) -> Processor {
        var cpu = pp_cpu()
        guard pp_cpu_detect(&cpu) == 0 else {
            throw TensorError(
                "POLYPROMPT_ISA is not an instruction set; scalar, avx2, avx512 or amx was expected")
        }
        return Processor(cpu)
    }

    /// The same, but where the variable is no instruction set's name what the machine has: for those that cannot
    /// fail, in a process that reports the name elsewhere.
    static var detected: Processor {
        var cpu = pp_cpu()
        pp_cpu_detect(&cpu)
        return Processor(cpu)
    }
}
