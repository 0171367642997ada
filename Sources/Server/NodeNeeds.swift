import Glibc
import Rasters

/// What a node uses of the machine that it runs on, besides its own program.
package enum NodeNeeds {
    /// The program that looks into rasters; nil if it is not there.
    package static var rasterProgram: String? {
        let path = RasterReader.installed
        return access(path, X_OK) == 0 ? path : nil
    }

    /// Whether the map code of Debian's `libjs-leaflet` is there.
    package static var hasMapCode: Bool { access("/usr/share/javascript/leaflet/leaflet.js", R_OK) == 0 }
}
