import HTTPSupport
import ProductMetadata
import Wire

/// What a picture shows and in what colours, as the query says it: `assets`, `bidx`, `expression`, `rescale`,
/// `colormap_name`, `colormap`, `resampling`, `nodata`.
struct Style: Sendable {
    /// Keys of assets, or what expressions call them; empty for what shows an item best.
    private(set) var assets: [String] = []
    private var bands: [Int] = []
    private(set) var expressions: [BandExpression] = []
    private var expressionTexts: [String] = []
    private var rescale: [[Double]] = []
    private var colorMap: ColorMap?
    private var resampling: PictureRequest.Resampling?
    private var nodata: Double?

    /// What counts of a query, for addresses of tiles and for tags.
    let query: QueryItems

    private static let names: Set = [
        "assets", "bidx", "expression", "rescale", "colormap_name", "colormap", "resampling", "nodata",
    ]
    /// Those of a collection's pictures that choose items.
    static let selectors: Set = ["datetime", "filter", "ids"]

    /// - Throws: ``Problem`` that names the parameter and what it may be.
    init(_ query: QueryItems) throws {
        self.query = QueryItems(
            query.items.filter { Self.names.contains($0.name) || Self.selectors.contains($0.name) })
        for item in query.items {
            guard let value = item.value, !value.isEmpty else { continue }
            switch item.name {
            case "assets": assets += value.split(separator: ",").map(String.init)
            case "bidx": bands += try Self.numbers("bidx", value).map { Int($0) }
            case "expression":
                for text in value.split(separator: ";") {
                    do {
                        expressions.append(try BandExpression(text))
                    } catch {
                        throw Problem.badRequest("expression: \(error)")
                    }
                    expressionTexts.append(String(text))
                }
            case "rescale":
                let numbers = try Self.numbers("rescale", value)
                guard numbers.count.isMultiple(of: 2) else { throw Problem.badRequest("rescale: pairs of LOW,HIGH") }
                rescale += stride(from: 0, to: numbers.count, by: 2).map { Array(numbers[$0...$0 + 1]) }
            case "colormap_name":
                guard let map = ColorMap(named: value) else {
                    throw Problem.badRequest(
                        "colormap_name is one of \(ColorMap.names.joined(separator: ", ")), with _r behind it for the reverse"
                    )
                }
                colorMap = map
            case "colormap":
                guard let json = try? JSONValue(parsing: value), let map = ColorMap(parsing: json) else {
                    throw Problem.badRequest(##"colormap is an object such as {"1": "#ff0000", "2": [0, 0, 255]}"##)
                }
                colorMap = map
            case "resampling":
                guard let known = PictureRequest.Resampling(rawValue: value) else {
                    let all = PictureRequest.Resampling.allCases.map(\.rawValue)
                    throw Problem.badRequest("resampling is one of \(all.joined(separator: ", "))")
                }
                resampling = known
            case "nodata": nodata = try Self.numbers("nodata", value).first
            default: break
            }
        }
        try check()
    }

    private static func numbers(_ name: String, _ text: String) throws -> [Double] {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { Double($0) }.filter { $0.isFinite && abs($0) <= 1e15 }
        guard numbers.count == parts.count, numbers.count <= 16 else {
            throw Problem.badRequest("\(name): numbers with commas between them, not '\(text.prefix(60))'")
        }
        return numbers
    }

    private func check() throws {
        guard expressions.isEmpty || [1, 3].contains(expressions.count) else {
            throw Problem.badRequest("expression: one, or three with semicolons between them: red, green and blue")
        }
        guard bands.isEmpty || [1, 3].contains(bands.count) && assets.count <= 1 && expressions.isEmpty,
            bands.allSatisfy({ (1...256).contains($0) })
        else { throw Problem.badRequest("bidx: one band, or three, of one asset") }
        guard !expressions.isEmpty || [0, 1, 3].contains(assets.count), assets.count <= PictureRequest.rastersMax else {
            throw Problem.badRequest("assets: one, or three for red, green and blue; or an expression of several")
        }
        guard [0, 1, 3].contains(rescale.count) else {
            throw Problem.badRequest("rescale: one pair of LOW,HIGH, or three")
        }
    }

    // MARK: Of an item

    /// The assets of an item that are drawn, each with what expressions call it.
    ///
    /// - Throws: ``Problem`` for an asset that the item does not have.
    func chosen(of item: ItemRasters) throws -> [(name: String, asset: ItemRasters.Asset)] {
        func find(_ name: String) throws -> ItemRasters.Asset {
            if let found = item.asset(name) { return found }
            let known = item.assets.map(\.key).joined(separator: ", ").prefix(500)
            throw Problem.badRequest(
                "'\(item.id)' has no raster '\(name.prefix(100))' here"
                    + (known.isEmpty ? ": it has none at all" : "; it has \(known)"))
        }
        guard !expressions.isEmpty else {
            let found = assets.isEmpty ? item.shown : try assets.map(find)
            return found.enumerated().map { ("a\($0 + 1)", $1) }
        }
        var out: [(name: String, asset: ItemRasters.Asset)] = []
        for name in Set(expressions.flatMap(\.names)).sorted() {
            let found: (name: String, asset: ItemRasters.Asset)
            if let whole = item.asset(name) {
                found = (name, whole)
            } else if let before = name.beforeBand, !before.isEmpty {
                found = (before, try find(before))
            } else if assets.count == 1, name.beforeBand != nil {
                found = (assets[0], try find(assets[0]))
            } else {
                found = (name, try find(name))
            }
            if !out.contains(where: { $0.name == found.name }) { out.append(found) }
        }
        guard out.count <= PictureRequest.rastersMax else {
            throw Problem.badRequest("expression: at most \(PictureRequest.rastersMax) assets in one")
        }
        return out
    }

    /// Says to the painter what is drawn.
    ///
    /// - Parameter count: how many assets each source has.
    func apply(to request: inout PictureRequest, assetCount count: Int) {
        request.rescale = rescale
        request.colorMap = colorMap
        if let resampling { request.resampling = resampling }
        if !expressionTexts.isEmpty {
            request.expressions = expressionTexts
        } else if !bands.isEmpty {
            request.expressions = bands.map { "a1_b\($0)" }
        } else if count == 3 {
            request.expressions = ["a1", "a2", "a3"]
        }
        if let nodata {
            for source in request.sources.indices {
                for raster in request.sources[source].indices { request.sources[source][raster].nodata = nodata }
            }
        }
    }

    /// Whether the lowest and the highest value are to be found out.
    var needsRescale: Bool { rescale.isEmpty }
}

extension String {
    /// `visual` of `visual_b2`, and nothing of `b2`; nil where no band is named.
    fileprivate var beforeBand: String? {
        guard let mark = lastIndex(of: "b"), Int(self[index(after: mark)...]) != nil else { return nil }
        let before = self[..<mark]
        return before.isEmpty ? "" : before.hasSuffix("_") ? String(before.dropLast()) : nil
    }
}
