import Catalogue
import GeoParquet
import HTTPSupport
import NIOHTTP1
import Wire

/// In which form a client wants an answer: by `f`, or by its `Accept`.
enum Format: String, CaseIterable {
    case json, html
    /// Items only: each a line of JSON, without what stands around them in a FeatureCollection.
    case ndjson
    /// Items only: a GeoParquet file.
    case parquet

    init(_ request: Request, _ query: QueryItems) throws {
        if let name = query["f"] {
            guard let known = name == "geojson" ? .json : Format(rawValue: name) else {
                let all = Self.allCases.map(\.rawValue).joined(separator: ", ")
                throw Problem.badRequest("f: '\(name.prefix(40))' is not served; there are \(all)")
            }
            self = known
            return
        }
        let accepted = request.header("accept") ?? ""
        self =
            accepted.contains("ndjson")
            ? .ndjson
            : accepted.contains("parquet") ? .parquet : accepted.contains("text/html") ? .html : .json
    }
}

extension STACService {
    /// Items as lines; where the next page is stands in the header `Link` (RFC 8288).
    func lines(_ page: ItemPage, _ fields: FieldSelection?, _ call: Call, links: [Link]) -> Response {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(page.items.reduce(0) { $0 + $1.document.count + 640 })
        for item in page.items {
            let start = bytes.count
            item.write(to: &bytes, links: ownLinks(of: item, call.address), fields: fields)
            // Only between its parts can a document have line breaks: in a text they are escaped.
            for index in start..<bytes.count where bytes[index] == 0x0A || bytes[index] == 0x0D { bytes[index] = 0x20 }
            bytes.append(0x0A)
        }
        return Response(.ok, type: MediaType.lines, bytes: bytes, headers: headers(page, links))
    }

    /// Items as a GeoParquet file; where the next page is stands in the header `Link`.
    ///
    /// Each item is parsed twice, for the columns and for the rows, so that only their bytes are there at once.
    func table(_ page: ItemPage, _ fields: FieldSelection?, _ call: Call, links: [Link]) throws -> Response {
        func forEachItem(_ body: (JSONValue) throws -> Void) throws {
            for item in page.items {
                var bytes: [UInt8] = []
                bytes.reserveCapacity(item.document.count + 640)
                item.write(to: &bytes, links: ownLinks(of: item, call.address), fields: fields)
                try body(try JSONValue(parsing: bytes))
            }
        }
        var columns = ItemColumns()
        try forEachItem { columns.add($0) }
        var writer = try ItemTableWriter(columns)
        var bytes: [UInt8] = []
        try forEachItem { item in
            try writer.append(item)
            bytes += writer.take()
        }
        bytes += try writer.finish()
        return Response(.ok, type: MediaType.parquet, bytes: bytes, headers: headers(page, links))
    }

    /// What stands around the items in a FeatureCollection, for forms without it.
    private func headers(_ page: ItemPage, _ links: [Link]) -> HTTPHeaders {
        var headers: HTTPHeaders = ["OGC-NumberReturned": String(page.items.count)]
        if !page.matched.isEstimate { headers.add(name: "OGC-NumberMatched", value: String(page.matched.count)) }
        for link in links where link.method == "GET" {
            headers.add(name: "Link", value: "<\(link.href)>; rel=\"\(link.rel)\"")
        }
        return headers
    }

    /// A JSON answer as a page for people; others stay as they are.
    func page(_ response: Response, title: String) -> Response {
        guard response.status == .ok, response.headers.first(name: "content-type")?.contains("json") == true,
            let bytes = response.bytes, let json = try? JSONValue(parsing: bytes)
        else { return response }
        var headers = response.headers
        headers.replaceOrAdd(name: "Content-Type", value: "text/html; charset=utf-8")
        // Nothing runs and nothing is fetched: what clients handed in is text here.
        headers.replaceOrAdd(name: "Content-Security-Policy", value: "default-src 'none'; style-src 'unsafe-inline'")
        headers.replaceOrAdd(name: "X-Content-Type-Options", value: "nosniff")
        // The entity tag is that of the JSON.
        headers.remove(name: "ETag")
        let page = JSONPage(json, title: json["title"]?.string ?? json["id"]?.string ?? title)
        return Response(.ok, type: "text/html; charset=utf-8", bytes: page.html.bytes, headers: headers)
    }
}

/// Shows a JSON document as HTML: its tree, with addresses to follow.
private struct JSONPage {
    private(set) var html = HTML()

    private static let style: StaticString = """
        :root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}body{max-width:75rem;margin:0 auto;padding:1rem}
        table{border-collapse:collapse;width:100%}th{text-align:left;vertical-align:top;font-weight:600;white-space:nowrap}
        th,td{padding:.15rem .75rem .15rem 0;border-top:1px solid color-mix(in srgb,currentColor 20%,transparent)}
        td{overflow-wrap:anywhere}ul{margin:0;padding-left:1.2rem}summary{cursor:pointer}
        @media(max-width:40rem){th,td{display:block;border:0}th{border-top:1px solid}}
        """

    init(_ json: JSONValue, title: String) {
        html.raw("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">")
        html.raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">")
        html.element("title", text: title)
        html.element("style") { $0.raw(Self.style) }
        html.raw("</head><body><main>")
        html.element("h1", text: title)
        if let links = json["links"]?.array { Self.write(links: links, &html) }
        Self.write(json, isTop: true, &html)
        html.raw("</main></body></html>\n")
    }

    private static func write(links: [JSONValue], _ html: inout HTML) {
        html.element("nav", .set("aria-label", "Links")) { html in
            html.element("ul") { html in
                for link in links {
                    guard let href = link["href"]?.string, let relation = link["rel"]?.string else { continue }
                    html.element("li") { html in
                        html.text((relation.split(separator: "/").last.map(String.init) ?? relation) + ": ")
                        write(address: href, link["title"]?.string ?? href, &html)
                    }
                }
            }
        }
    }

    private static func write(_ value: JSONValue, isTop: Bool = false, _ html: inout HTML) {
        switch value {
        case .object(let object):
            html.element("table") { html in
                for member in object.members where !(isTop && member.name == "links") {
                    html.element("tr") { html in
                        html.element("th", .set("scope", "row"), text: member.name)
                        html.element("td") { write(member.value, &$0) }
                    }
                }
            }
        case .array(let items):
            let areTexts = !items.isEmpty && items.allSatisfy { $0.string != nil }
            // Coordinates and the like stay on a line.
            guard areTexts || items.contains(where: { $0.object != nil }) else { return html.text(value.text) }
            html.element("ul") { html in
                for item in items {
                    html.element("li") { areTexts ? write(item, &$0) : write(folded: item, &$0) }
                }
            }
        case .string(let string): write(address: string, string, &html)
        default: html.text(value.text)
        }
    }

    private static func write(folded item: JSONValue, _ html: inout HTML) {
        html.element("details") { html in
            let name = ["id", "title", "name", "rel"].lazy.compactMap { item[$0]?.string }.first
            html.element("summary", text: name ?? "…")
            write(item, &html)
        }
    }

    /// A link to another place, or a text that is none.
    private static func write(address: String, _ label: String, _ html: inout HTML) {
        guard address.hasPrefix("https://") || address.hasPrefix("http://"), HTML.isSafe(address) else {
            return html.text(label)
        }
        html.element("a", .set("rel", "nofollow"), .href(address), text: label)
    }
}
