// swift-tools-version: 6.2

import PackageDescription

/// One list of settings for every Swift target.
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny")
]

/// `gnu17`: the kernels need `syscall(2)` to ask the kernel for the AMX tile state.
let package = Package(
    name: "polyprompt",
    products: [
        .executable(name: "polyprompt", targets: ["polyprompt"]),
        .executable(name: "polyprompt-train", targets: ["polyprompt-train"]),
        .library(name: "T5", targets: ["T5", "Tensors", "Basics"]),
        .library(name: "PromptStore", targets: ["PromptStore", "Basics"]),
        .library(name: "Serving", targets: ["Serving"]),
        .library(name: "Training", targets: ["Training", "Basics"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    ],
    targets: [
        // MARK: C
        .systemLibrary(
            name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"])]),
        .target(
            name: "CSentencePiece",
            linkerSettings: [.linkedLibrary("sentencepiece")]),
        .target(name: "CKernels", linkerSettings: [.linkedLibrary("m")]),
        .target(name: "CFiles"),

        // MARK: Libraries, lowest first
        .target(
            name: "Basics", dependencies: ["CFiles", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: settings),
        .target(name: "JSON", dependencies: ["Basics"], swiftSettings: settings),
        .target(
            name: "Tensors", dependencies: ["Basics", "CKernels", "COpenBLAS", "JSON"],
            swiftSettings: settings),
        .target(
            name: "T5", dependencies: ["Basics", "CKernels", "JSON", "Tensors"],
            swiftSettings: settings),
        .target(
            name: "Tokenization", dependencies: ["Basics", "CSentencePiece", "JSON"],
            swiftSettings: settings),
        .target(name: "LMDB", dependencies: ["Basics", "CLMDB"], swiftSettings: settings),
        .target(
            name: "PromptStore", dependencies: ["Basics", "CZstd", "JSON", "LMDB"],
            swiftSettings: settings),
        .target(name: "Tasks", dependencies: ["Basics", "JSON", "T5"], swiftSettings: settings),
        .target(
            name: "Serving",
            dependencies: [
                "Basics", "JSON", "PromptStore", "T5", "Tasks", "Tensors", "Tokenization",
            ],
            swiftSettings: settings),
        .target(
            name: "Benchmarks",
            dependencies: [
                "Basics", "CKernels", "JSON", "PromptStore", "Serving", "T5", "Tasks", "Tensors",
                "Tokenization",
            ],
            swiftSettings: settings),

        .target(
            name: "Training",
            dependencies: [
                "Basics", "CKernels", "JSON", "PromptStore", "Serving", "T5", "Tasks", "Tensors",
                "Tokenization",
            ],
            swiftSettings: settings),
        .target(
            name: "CommandSupport",
            dependencies: [
                "Basics", "JSON", "T5", "Tensors",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),

        // MARK: Executables
        .executableTarget(
            name: "polyprompt",
            dependencies: [
                "Basics", "Benchmarks", "CommandSupport", "JSON", "PromptStore", "Serving", "T5", "Tasks",
                "Tensors", "Tokenization", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),

        .executableTarget(
            name: "polyprompt-train",
            dependencies: [
                "Basics", "Benchmarks", "CommandSupport", "JSON", "PromptStore", "Serving", "T5", "Tasks",
                "Tensors", "Training", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),

        // MARK: Tests
        .target(
            name: "TestSupport", dependencies: ["Basics", "JSON"], path: "Tests/TestSupport",
            swiftSettings: settings),
        .testTarget(name: "BasicsTests", dependencies: ["Basics", "TestSupport"], swiftSettings: settings),
        .testTarget(
            name: "JSONTests", dependencies: ["Basics", "TestSupport", "JSON"], swiftSettings: settings),
        .testTarget(
            name: "TensorsTests", dependencies: ["Basics", "TestSupport", "Tensors", "JSON", "CKernels"],
            swiftSettings: settings),
        .testTarget(
            name: "T5Tests", dependencies: ["Basics", "TestSupport", "T5", "JSON", "Tensors"],
            exclude: ["Golden"],
            swiftSettings: settings),
        .testTarget(
            name: "TokenizationTests", dependencies: ["Basics", "TestSupport", "Tokenization", "JSON"],
            exclude: ["Golden"],
            swiftSettings: settings),
        .testTarget(
            name: "LMDBTests", dependencies: ["Basics", "TestSupport", "LMDB"], swiftSettings: settings),
        .testTarget(
            name: "PromptStoreTests", dependencies: ["Basics", "TestSupport", "PromptStore", "JSON", "LMDB"],
            swiftSettings: settings),
        .testTarget(
            name: "TasksTests", dependencies: ["Basics", "TestSupport", "Tasks", "JSON", "T5"],
            swiftSettings: settings),
        .testTarget(
            name: "ServingTests",
            dependencies: [
                "Basics", "TestSupport", "Serving", "PromptStore", "T5", "Tasks", "Tokenization", "Tensors",
                "JSON",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "PolypromptTests",
            dependencies: [
                "Basics", "TestSupport", "JSON", "PromptStore", "Serving", "T5", "Tensors", "polyprompt",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "BenchmarksTests",
            dependencies: ["Basics", "TestSupport", "Benchmarks", "JSON", "T5", "Tensors", "polyprompt"],
            swiftSettings: settings),
        .testTarget(
            name: "TrainingTests",
            dependencies: [
                "Basics", "TestSupport", "Training", "Serving", "PromptStore", "T5", "Tasks", "Tokenization",
                "Tensors", "JSON",
            ],
            exclude: ["Golden"], swiftSettings: settings),
        .testTarget(
            name: "PolypromptTrainTests",
            dependencies: [
                "Basics", "TestSupport", "JSON", "PromptStore", "Serving", "T5", "Tensors", "polyprompt",
                "polyprompt-train",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "HostileInputTests",
            dependencies: [
                "Basics", "JSON", "LMDB", "PromptStore", "Serving", "T5", "Tasks", "Tensors", "TestSupport",
                "Tokenization", "Training", "polyprompt", "polyprompt-train",
            ],
            exclude: ["README.md"], swiftSettings: settings),
        .testTarget(
            name: "DocumentationTests",
            dependencies: [
                "JSON", "PromptStore", "Serving", "T5", "Tensors", "TestSupport", "Training", "polyprompt",
                "polyprompt-train",
            ],
            swiftSettings: settings),
    ],
    cLanguageStandard: .gnu17,
    cxxLanguageStandard: .cxx17
)
