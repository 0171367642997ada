import Catalogue
import HTTPSupport
import NIOHTTP1
import Wire

/// In which form a client wants an answer: by `f`, or by its `Accept`.
enum Format: String, CaseIterable {
    case json, html
    /// Items only: each a line of JSON, without what stands around them in a FeatureCollection.
    case ndjson

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
        self = accepted.contains("ndjson") ? .ndjson : accepted.contains("text/html") ? .html : .json
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
        var headers: HTTPHeaders = ["OGC-NumberReturned": String(page.items.count)]
        if !page.matched.isEstimate { headers.add(name: "OGC-NumberMatched", value: String(page.matched.count)) }
        for link in links where link.method == "GET" {
            headers.add(name: "Link", value: "<\(link.href)>; rel=\"\(link.rel)\"")
        }
        return Response(.ok, type: MediaType.lines, bytes: bytes, headers: headers)
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
        var page = JSONPage()
        page.write(json, title: json["title"]?.string ?? json["id"]?.string ?? title)
        return Response(.ok, type: "text/html; charset=utf-8", bytes: page.bytes, headers: headers)
    }
}

/// Shows a JSON document as HTML: its tree, with addresses to follow.
private struct JSONPage {
    private(set) var bytes: [UInt8] = []

    private static let style = """
        :root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}body{max-width:75rem;margin:0 auto;padding:1rem}
        table{border-collapse:collapse;width:100%}th{text-align:left;vertical-align:top;font-weight:600;white-space:nowrap}
        th,td{padding:.15rem .75rem .15rem 0;border-top:1px solid color-mix(in srgb,currentColor 20%,transparent)}
        td{overflow-wrap:anywhere}ul{margin:0;padding-left:1.2rem}summary{cursor:pointer}
        @media(max-width:40rem){th,td{display:block;border:0}th{border-top:1px solid}}
        """

    mutating func write(_ json: JSONValue, title: String) {
        raw("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">")
        raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>")
        text(title)
        raw("</title><style>")
        bytes.append(contentsOf: Self.style.utf8)
        raw("</style></head><body><main><h1>")
        text(title)
        raw("</h1>")
        if let links = json["links"]?.array { self.links(links) }
        value(json, isTop: true)
        raw("</main></body></html>\n")
    }

    private mutating func links(_ links: [JSONValue]) {
        raw("<nav aria-label=\"Links\"><ul>")
        for link in links {
            guard let href = link["href"]?.string, let relation = link["rel"]?.string else { continue }
            raw("<li>")
            text(relation.split(separator: "/").last.map(String.init) ?? relation)
            raw(": ")
            address(href, link["title"]?.string ?? href)
            raw("</li>")
        }
        raw("</ul></nav>")
    }

    private mutating func value(_ value: JSONValue, isTop: Bool = false) {
        switch value {
        case .object(let object):
            raw("<table>")
            for member in object.members where !(isTop && member.name == "links") {
                raw("<tr><th scope=\"row\">")
                text(member.name)
                raw("</th><td>")
                self.value(member.value)
                raw("</td></tr>")
            }
            raw("</table>")
        case .array(let items):
            if !items.isEmpty, items.allSatisfy({ $0.string != nil }) {
                raw("<ul>")
                for item in items {
                    raw("<li>")
                    self.value(item)
                    raw("</li>")
                }
                raw("</ul>")
                return
            }
            // Coordinates and the like stay on a line.
            guard items.contains(where: { $0.object != nil }) else { return text(value.text) }
            raw("<ul>")
            for item in items {
                raw("<li><details><summary>")
                text(item["id"]?.string ?? item["title"]?.string ?? item["name"]?.string ?? item["rel"]?.string ?? "…")
                raw("</summary>")
                self.value(item)
                raw("</details></li>")
            }
            raw("</ul>")
        case .string(let string):
            if string.hasPrefix("https://") || string.hasPrefix("http://") {
                address(string, string)
            } else {
                text(string)
            }
        default: text(value.text)
        }
    }

    private mutating func address(_ href: String, _ label: String) {
        guard href.hasPrefix("https://") || href.hasPrefix("http://") else { return text(label) }
        raw("<a rel=\"nofollow\" href=\"")
        text(href)
        raw("\">")
        text(label)
        raw("</a>")
    }

    private mutating func raw(_ markup: StaticString) { markup.withUTF8Buffer { bytes.append(contentsOf: $0) } }

    private mutating func text(_ text: String) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "&"): raw("&amp;")
            case UInt8(ascii: "<"): raw("&lt;")
            case UInt8(ascii: ">"): raw("&gt;")
            case UInt8(ascii: "\""): raw("&quot;")
            case UInt8(ascii: "'"): raw("&#39;")
            case 0..<0x20: bytes.append(0x20)
            default: bytes.append(byte)
            }
        }
    }
}
