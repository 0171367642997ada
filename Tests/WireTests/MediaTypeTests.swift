import Testing
import Wire

@Suite struct MediaTypeTests {
    @Test(
        "media types go by the extension",
        arguments: [
            ("a/b.TIF", "image/tiff; application=geotiff"), ("x.jp2", "image/jp2"), ("x.nc", "application/x-netcdf"),
            ("x.JSON", "application/json"), ("x.tar.gz", "application/gzip"),
            ("x.SAFE/manifest.safe", "application/xml"),
            ("x.zarr", "application/vnd.zarr"), ("x.parquet", "application/vnd.apache.parquet"),
            ("noextension", "application/octet-stream"),
            (".xml", "application/octet-stream"), ("", "application/octet-stream"),
            ("a.xml/b", "application/octet-stream"),
        ])
    func types(_ path: String, _ type: String) {
        #expect(MediaType.of(path: path) == type)
    }
}
