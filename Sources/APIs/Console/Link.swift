import HTTPSupport
import Wire

/// Addresses of the console's own pages.
package enum Link {
    package static func collection(_ name: String) -> String { "/collections/" + PercentEncoding.encode(name) }

    package static func item(_ collection: String, _ id: String) -> String {
        Self.collection(collection) + "/items/" + PercentEncoding.encode(id)
    }

    /// Where pictures of an item's rasters come from, or of a collection's: followed by a box and a size.
    static func pictures(_ collection: String, _ item: String? = nil) -> String {
        let place = item.map { Self.item(collection, $0) } ?? Self.collection(collection)
        return "/raster\(place)/bbox/"
    }

    static func group(_ name: String) -> String { "/groups/" + PercentEncoding.encode(name) }

    /// Opens a file of this node: signs it when it is followed, so that the page itself holds no rights.
    package static func open(_ href: String) -> String { "/open?href=" + PercentEncoding.encode(href) }

    /// The login page, which comes back to `path` afterwards.
    package static func login(next path: String) -> String {
        path == "/" ? "/login" : "/login?next=" + PercentEncoding.encode(path)
    }

    /// Percent-encoded, for a part of an address.
    static func escaped(_ text: String) -> String { PercentEncoding.encode(text) }

    /// `data.example.org` of `https://data.example.org:8443/path`.
    static func host(of address: String) -> String {
        let rest = address.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: true).dropFirst()
        return String((rest.first ?? "").prefix { $0 != ":" })
    }

    /// Where to go after the login: a path of this node, and never one that a browser would read as another host.
    package static func next(_ asked: String?) -> String {
        guard let asked, asked.utf8.count <= 4096, asked.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }),
            HTML.isLocal(asked),
            !asked.hasPrefix("/login"), !asked.hasPrefix("/logout")
        else { return "/" }
        return asked
    }
}
