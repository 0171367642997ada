import HTTPSupport
import Wire

/// The files of an item, each to be opened or handed on.
struct FilesSection {
    let item: ItemView

    func write(to html: inout HTML) {
        html.element("section", .class("panel"), .set("aria-labelledby", "files")) { html in
            html.element("h2", .id("files"), text: "Files")
            guard !item.assets.isEmpty else {
                return html.element("p", .class("sub"), text: "This item lists no files.")
            }
            html.element("table", .class("files")) { html in
                html.raw(
                    """
                    <thead><tr><th scope="col">File</th><th scope="col">Type</th><th scope="col" class="number">Size</th>
                    <th scope="col">Checksum</th><th scope="col"><span class="hidden">Link</span></th></tr></thead>
                    """)
                html.element("tbody") { html in for asset in item.assets { write(asset, &html) } }
            }
            if item.assets.contains(where: \.isLocal) {
                html.element(
                    "p", .class("sub"),
                    text: "A copied link opens its file for one hour, for whoever has it, without a login.")
            }
        }
    }

    private func write(_ asset: AssetView, _ html: inout HTML) {
        html.element("tr") { html in
            html.element("td", .class("file")) { html in
                let link = asset.isLocal ? Link.open(asset.href) : asset.href
                if HTML.isSafe(link) {
                    html.element(
                        "a", .href(link), .set("rel", asset.isLocal ? nil : "noopener noreferrer"), text: asset.name)
                } else {
                    html.element("span", text: asset.name)
                }
                let isNew = asset.title != asset.name && !asset.name.hasSuffix("/" + asset.title)
                let note = [isNew ? asset.title : nil, asset.isLocal ? nil : "elsewhere: \(asset.href.prefix(200))"]
                    .compactMap { $0 }
                if !note.isEmpty { html.element("span", .class("sub"), text: note.joined(separator: " · ")) }
            }
            html.element("td", .class("type"), text: Self.type(asset.type))
            html.element("td", .class("number"), text: asset.size.map(Words.size) ?? "")
            html.element("td", .class("sum")) { html in
                guard let digest = asset.digest else { return }
                html.text(digest.algorithm + " ")
                html.element("code", .set("title", digest.hex), text: digest.hex.prefix(12) + "…")
            }
            html.element("td", .class("do")) { html in
                guard asset.isLocal else { return }
                html.element(
                    "button", .class("quiet"), .set("type", "button"), .set("data-sign", asset.href), .flag("hidden"),
                    .set("aria-label", "Copy a link to \(asset.name)"), text: "Copy link")
            }
        }
    }

    /// A media type in words where people know it by another name.
    private static func type(_ type: String) -> String {
        let lower = type.lowercased()
        if lower.contains("cloud-optimized") { return "Cloud-optimised GeoTIFF" }
        switch lower.prefix(while: { $0 != ";" }) {
        case "image/tiff": return "GeoTIFF"
        case "image/jp2": return "JPEG 2000"
        case "image/jpeg": return "JPEG"
        case "image/png": return "PNG"
        case "application/json": return "JSON"
        case "application/geo+json": return "GeoJSON"
        case "application/xml", "text/xml": return "XML"
        case "text/plain": return "Text"
        case "application/netcdf", "application/x-netcdf": return "NetCDF"
        case "application/octet-stream": return "Binary"
        default: return type
        }
    }
}
