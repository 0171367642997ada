import Glibc
import Testing

/// The style is a test: reads the tree and fails on what does not belong there.
@Suite struct TidyTests {
    /// From the top. A target imports only from storeys below its own.
    private static let rank = [
        "martlet": 6, "martlet-raster": 6, "Server": 5, "APIs": 4, "Workers": 4, "Core": 3, "Drivers": 2, "Formats": 1,
    ]

    /// Targets that others of their own storey may import.
    private static let shared = [
        "Formats": ["Wire", "BLAKE3", "MerkleLog", "Geometry", "Parquet"], "Core": ["Journal", "Identity", "Policy"],
        "Drivers": ["Processes"], "APIs": ["HTTPSupport"],
    ]

    private struct Source {
        var path: String
        var storey: String
        var target: String
        var lines: [Substring]
    }

    @Test("every import goes down the storeys")
    func imports() throws {
        let sources = try Self.sources()
        #expect(sources.count > 100, "the tree is read")
        var homes: [String: String] = [:]
        for source in sources { homes[source.target] = source.storey }
        for source in sources {
            for (number, line) in source.lines.enumerated() {
                guard let name = Self.imported(line), let storey = homes[name], name != source.target else { continue }
                let isShared = storey == source.storey && Self.shared[storey]?.contains(name) == true
                // A C shim is part of the one target that it is for.
                let isShim =
                    name.hasPrefix("C") && name.dropFirst().first?.isUppercase == true && storey == source.storey
                let isBelow = (Self.rank[storey] ?? 0) < (Self.rank[source.storey] ?? 0)
                // The command line speaks to a node as a client does, and starts one; it knows formats and no more.
                let isClient =
                    source.storey == "martlet" && storey != "Formats" && storey != "Server" && name != "CMemory"
                #expect(
                    (isBelow || isShared || isShim) && !isClient,
                    "\(source.path):\(number + 1): \(source.storey)/\(source.target) may not import \(storey)/\(name)")
            }
        }
    }

    @Test("an imported target of ours is below, even in a target that is not Swift's")
    func importParsing() {
        #expect(Self.imported("import Wire") == "Wire")
        #expect(Self.imported("package import Database") == "Database")
        #expect(Self.imported("@testable import Workers") == "Workers")
        #expect(Self.imported("import struct Wire.Hex") == "Wire")
        #expect(Self.imported("// import Wire") == nil)
        #expect(Self.imported("let important = 1") == nil)
    }

    /// What is not used here, and what is used instead.
    private static let banned = [
        ("JSONSerialization", "Wire's JSONValue and JSONWriter"), ("XMLParser(", "Wire's XMLElement"),
        ("ISO8601DateFormatter", "Wire's Timestamp"), ("String(format:", "Wire's Hex or an own writer"),
        ("try!", "throwing"), ("fatalError(", "throwing"), ("TODO", "an issue"), ("FIXME", "an issue"),
        ("import Foundation\n", "FoundationEssentials, or Glibc"),
    ]

    @Test("nothing banned, no line over 120 columns, no file that nobody can read in one go")
    func style() throws {
        for source in try Self.sources() where source.path.hasSuffix(".swift") {
            var isInLiteral = false
            for (number, line) in source.lines.enumerated() {
                if line.contains("\"\"\"") { isInLiteral.toggle() }
                // A comment may say why something is not used.
                let code = line.split(separator: "//", maxSplits: 1, omittingEmptySubsequences: false)[0] + "\n"
                for (word, instead) in Self.banned where code.contains(word) {
                    // Wire's own parser may carry the name.
                    if word == "XMLParser(", source.target == "Wire" { continue }
                    Issue.record("\(source.path):\(number + 1): \(word.trimmed) is not used here; \(instead) is")
                }
                // A sentence for people stays in one literal, so that it can be searched for.
                if line.count > 120, !isInLiteral, !line.contains("\"") {
                    Issue.record("\(source.path):\(number + 1): \(line.count) columns; at most 120")
                }
            }
            if source.lines.count > 500 {
                Issue.record("\(source.path): \(source.lines.count) lines: it has two subjects; split it")
            }
        }
    }

    /// Who seals with the master key names the column in `sealedColumns`; then the file is added here.
    private static let sealing = [
        "AccessKeys.swift", "OneTimePasswords.swift", "Outbox.swift", "Providers.swift", "NodeKeys.swift",
        "Keyring.swift", "RootKeys.swift", "Subscriptions.swift", "TokenKeys.swift", "Webhooks.swift",
    ]

    @Test("what the master key seals is known to the rotation of the root key")
    func sealedColumns() throws {
        for source in try Self.sources() where source.storey == "Core" {
            let isKnown = Self.sealing.contains { source.path.hasSuffix("/" + $0) }
            for (number, line) in source.lines.enumerated()
            where line.contains("master.seal(") || line.contains("master.wrap(") {
                #expect(isKnown, "\(source.path):\(number + 1): name the column in sealedColumns: docs/adr/0005")
            }
        }
    }

    // MARK: The tree

    private static func imported(_ line: some StringProtocol) -> String? {
        var words = line.split(separator: " ")
        while let first = words.first,
            ["package", "public", "internal", "private", "@testable", "@preconcurrency"].contains(first)
        {
            words.removeFirst()
        }
        guard words.first == "import", words.count >= 2 else { return nil }
        let kinds = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
        let name = kinds.contains(String(words[1])) && words.count > 2 ? words[2] : words[1]
        return String(name.prefix { $0 != "." })
    }

    private static func sources() throws -> [Source] {
        let root = String(#filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }) + "/Sources"
        return try files(below: root).compactMap { path in
            guard [".swift", ".c", ".h"].contains(where: { path.hasSuffix($0) }) else { return nil }
            let parts = path.dropFirst(root.count + 1).split(separator: "/").map(String.init)
            // Sources/Server/… and Sources/martlet/… are targets themselves; the others are in their storey's folder.
            let isTarget = ["Server", "Workers", "martlet", "martlet-raster"].contains(parts[0])
            let text = try contents(path)
            return Source(
                path: "Sources" + path.dropFirst(root.count), storey: parts[0], target: isTarget ? parts[0] : parts[1],
                lines: text.split(separator: "\n", omittingEmptySubsequences: false))
        }
    }

    private struct Unreadable: Error {
        var path: String
    }

    private static func contents(_ path: String) throws -> String {
        guard let file = fopen(path, "r") else { throw Unreadable(path: path) }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    private static func files(below folder: String) throws -> [String] {
        guard let directory = opendir(folder) else { throw Unreadable(path: folder) }
        defer { closedir(directory) }
        var out: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard !name.hasPrefix(".") else { continue }
            let path = folder + "/" + name
            var status = stat()
            guard stat(path, &status) == 0 else { continue }
            if status.st_mode & S_IFMT == S_IFDIR { out += try files(below: path) } else { out.append(path) }
        }
        return out.sorted()
    }
}

extension String {
    fileprivate var trimmed: String { filter { $0 != "\n" } }
}
