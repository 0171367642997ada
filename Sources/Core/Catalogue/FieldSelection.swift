/// Which members of an item are asked for (STAC's fields extension), as paths like `properties.eo:cloud_cover`.
///
/// `type`, `stac_version`, `id` and `collection` come always, unless they are excluded by name: without them nobody
/// knows what the rest belongs to. A longer path counts more than a shorter one, and what is both included and excluded
/// is included.
package struct FieldSelection: Sendable, Hashable {
    /// Paths that are taken at most.
    package static let pathsMax = 500

    /// What is there when no fields are named: enough for a valid Item.
    private static let smallest = ["geometry", "bbox", "links", "assets", "properties.datetime"] + times
    /// Where an item has a time range, its datetime is null.
    private static let times = ["properties.start_datetime", "properties.end_datetime"]
    private static let identity = ["type", "stac_version", "id", "collection"]

    private let included: Node?
    private let excluded: Node?

    /// - Parameters:
    ///   - include: nil for all; empty for the smallest valid Item.
    ///   - exclude: what is left out.
    package init(include: [String]?, exclude: [String]) {
        let smallest = Self.smallest.filter { !exclude.contains($0) }
        included = include.map { Node(Self.identity + ($0.isEmpty ? smallest : $0)) }
        excluded = exclude.isEmpty ? nil : Node(exclude)
    }

    /// A part of the paths: what follows one name.
    private struct Node: Sendable, Hashable {
        var isEnd = false
        var children: [String: Node] = [:]

        init(_ paths: [String]) {
            for path in paths { add(path.split(separator: ".").map(String.init)[...]) }
        }

        private init() {}

        private mutating func add(_ path: ArraySlice<String>) {
            guard let first = path.first else {
                isEnd = true
                return
            }
            children[first, default: Node()].add(path.dropFirst())
        }
    }

    /// Appends a document's members that are asked for.
    ///
    /// - Parameter links: JSON objects with commas between them that are put at the beginning of its links.
    package func write(_ document: [UInt8], links: [UInt8] = [], to out: inout [UInt8]) {
        write(document, at: 0, included, excluded, links: links, to: &out)
    }

    private func write(
        _ json: [UInt8], at start: Int, _ included: Node?, _ excluded: Node?, links: [UInt8]?, to out: inout [UInt8]
    ) {
        out.append(UInt8(ascii: "{"))
        let begin = out.count
        for member in JSONSpans.members(json, at: start) {
            let name = String(decoding: json[member.name], as: UTF8.self)
            let wanted = included?.children[name]
            var unwanted = excluded?.children[name]
            if included != nil, wanted == nil { continue }
            if unwanted?.isEnd == true {
                // Named itself, or something within it.
                guard wanted != nil, included != nil else { continue }
                unwanted = nil
            }
            let narrowed = wanted?.isEnd == true ? nil : wanted
            let isObject = json[member.value.lowerBound] == UInt8(ascii: "{")
            if narrowed != nil, !isObject { continue }
            if out.count > begin { out.append(UInt8(ascii: ",")) }
            out.append(contentsOf: json[(member.name.lowerBound - 1)...member.name.upperBound])
            out.append(UInt8(ascii: ":"))
            if isObject, narrowed != nil || unwanted != nil {
                write(json, at: member.value.lowerBound, narrowed, unwanted, links: nil, to: &out)
            } else if let links, name == "links", !links.isEmpty {
                let rest = json[(member.value.lowerBound + 1)..<member.value.upperBound]
                out.append(UInt8(ascii: "["))
                out.append(contentsOf: links)
                if rest.first(where: { !JSONSpans.isSpace($0) }) != UInt8(ascii: "]") { out.append(UInt8(ascii: ",")) }
                out.append(contentsOf: rest)
            } else {
                out.append(contentsOf: json[member.value])
            }
        }
        out.append(UInt8(ascii: "}"))
    }
}
