import Ciphers
import Glibc
import HTTPSupport
import NIOCore
import NIOHTTP1
import Wire

/// Style sheet, script, world outline and mark, which are part of the program, and Leaflet, which is Debian's.
struct StaticFiles: Sendable {
    struct File: Sendable {
        let name: String
        let type: String
        let bytes: ByteBuffer
        /// Names the content: it is the entity tag, and stands in the address, so that a browser may keep the file for
        /// good.
        let tag: String

        init(_ name: String, _ type: String, _ bytes: [UInt8]) {
            self.name = name
            self.type = type
            self.bytes = ByteBuffer(bytes: bytes)
            tag = Hex.encode(DigestAlgorithm.sha256.hash(bytes).prefix(8))
        }

        var path: String { "/static/\(name)?v=\(tag)" }
    }

    static let style = File("console.css", "text/css; charset=utf-8", PackageResources.console_css)
    static let script = File("console.js", "text/javascript; charset=utf-8", PackageResources.console_js)
    static let worldJSON = File("world.json", "application/json", WorldOutline.bytes)
    static let worldSVG = File("world.svg", "image/svg+xml", WorldOutline.svg)
    static let mark = File("mark.svg", "image/svg+xml", PackageResources.mark_svg)

    /// Where Debian's package libjs-leaflet puts it.
    private static let leafletFolder = "/usr/share/javascript/leaflet/"
    private static let leafletBytesMax = 2 << 20

    private let files: [String: File]
    let leafletScript: String
    let leafletCSS: String
    var hasLeaflet: Bool { !leafletScript.isEmpty }

    /// Reads Leaflet, if it is there.
    init() {
        var all = [Self.style, Self.script, Self.worldJSON, Self.worldSVG, Self.mark]
        if let script = Self.read("leaflet.min.js") ?? Self.read("leaflet.js"), let style = Self.read("leaflet.css") {
            let script = File("leaflet.js", "text/javascript; charset=utf-8", script)
            let style = File("leaflet.css", "text/css; charset=utf-8", style)
            all += [script, style]
            (leafletScript, leafletCSS) = (script.path, style.path)
        } else {
            (leafletScript, leafletCSS) = ("", "")
        }
        files = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
    }

    /// The file, or 304 where the browser has it; nil if there is none of this name.
    func response(_ name: String, _ request: Request) -> Response? {
        guard let file = files[name] else { return nil }
        var response = Response(.ok, body: .buffer(file.bytes))
        if Preconditions(request.headers).evaluate(etag: file.tag, modified: nil, isRead: true) == .notModified {
            response = Response(.notModified)
        } else {
            response.headers.add(name: "Content-Type", value: file.type)
        }
        response.headers.add(name: "ETag", value: "\"\(file.tag)\"")
        // Under an address that names its content it never changes.
        let isNamed = request.rawQuery == "v=\(file.tag)"
        response.headers.add(name: "Cache-Control", value: isNamed ? "public, max-age=31536000, immutable" : "no-cache")
        return response
    }

    private static func read(_ name: String) -> [UInt8]? {
        guard let file = fopen(leafletFolder + name, "re") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: leafletBytesMax)
        let count = fread(&bytes, 1, bytes.count, file)
        guard count > 0, count < bytes.count else { return nil }
        return Array(bytes.prefix(count))
    }
}
