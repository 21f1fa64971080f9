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
        .library(name: "T5", targets: ["T5", "Tensors"]),
        .library(name: "PromptStore", targets: ["PromptStore"]),
        .library(name: "Serving", targets: ["Serving"]),
        .library(name: "Training", targets: ["Training"]),
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

        // MARK: Libraries, lowest first
        .target(name: "JSON", swiftSettings: settings),
        .target(
            name: "Tensors", dependencies: ["CKernels", "COpenBLAS", "JSON"],
            swiftSettings: settings),
        .target(
            name: "T5",
            dependencies: [
                "CKernels", "JSON", "Tensors", .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: settings),
        .target(name: "Tokenization", dependencies: ["CSentencePiece", "JSON"], swiftSettings: settings),
        .target(name: "LMDB", dependencies: ["CLMDB"], swiftSettings: settings),
        .target(
            name: "PromptStore",
            dependencies: [
                "CZstd", "JSON", "LMDB", .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: settings),
        .target(name: "Tasks", dependencies: ["JSON"], swiftSettings: settings),
        .target(
            name: "Serving",
            dependencies: [
                "JSON", "PromptStore", "T5", "Tasks", "Tensors", "Tokenization",
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: settings),
        .target(
            name: "Benchmarks",
            dependencies: [
                "CKernels", "JSON", "PromptStore", "Serving", "T5", "Tasks", "Tensors", "Tokenization",
            ],
            swiftSettings: settings),

        .target(
            name: "Training",
            dependencies: [
                "CKernels", "COpenBLAS", "JSON", "PromptStore", "Serving", "T5", "Tasks", "Tensors",
                "Tokenization", .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: settings),
        .target(
            name: "CommandSupport",
            dependencies: [
                "T5", "Tensors", .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),

        // MARK: Executables
        .executableTarget(
            name: "polyprompt",
            dependencies: [
                "Benchmarks", "CommandSupport", "JSON", "PromptStore", "Serving", "T5", "Tasks", "Tensors",
                "Tokenization",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),

        .executableTarget(
            name: "polyprompt-train",
            dependencies: [
                "Benchmarks", "CommandSupport", "JSON", "PromptStore", "Serving", "T5", "Tasks", "Tensors",
                "Tokenization", "Training",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),

        // MARK: Tests
        .testTarget(name: "JSONTests", dependencies: ["JSON"], swiftSettings: settings),
        .testTarget(
            name: "TensorsTests", dependencies: ["Tensors", "JSON", "CKernels"],
            swiftSettings: settings),
        .testTarget(
            name: "T5Tests", dependencies: ["T5", "JSON", "Tensors"], exclude: ["Golden"],
            swiftSettings: settings),
        .testTarget(
            name: "TokenizationTests", dependencies: ["Tokenization", "JSON"], exclude: ["Golden"],
            swiftSettings: settings),
        .testTarget(name: "LMDBTests", dependencies: ["LMDB"], swiftSettings: settings),
        .testTarget(
            name: "PromptStoreTests", dependencies: ["PromptStore", "JSON", "LMDB"],
            swiftSettings: settings),
        .testTarget(name: "TasksTests", dependencies: ["Tasks", "JSON"], swiftSettings: settings),
        .testTarget(
            name: "ServingTests",
            dependencies: ["Serving", "PromptStore", "T5", "Tasks", "Tokenization", "Tensors", "JSON"],
            swiftSettings: settings),
        .testTarget(
            name: "PolypromptTests",
            dependencies: ["JSON", "PromptStore", "Serving", "T5", "Tensors", "polyprompt"],
            swiftSettings: settings),
        .testTarget(
            name: "BenchmarksTests", dependencies: ["Benchmarks", "JSON", "Tensors", "polyprompt"],
            swiftSettings: settings),
        .testTarget(
            name: "TrainingTests",
            dependencies: [
                "Training", "Serving", "PromptStore", "T5", "Tasks", "Tokenization", "Tensors", "JSON",
            ],
            exclude: ["Golden"], swiftSettings: settings),
        .testTarget(
            name: "PolypromptTrainTests",
            dependencies: [
                "JSON", "PromptStore", "Serving", "T5", "Tensors", "polyprompt", "polyprompt-train",
            ],
            swiftSettings: settings),
    ],
    cLanguageStandard: .gnu17,
    cxxLanguageStandard: .cxx17
)
