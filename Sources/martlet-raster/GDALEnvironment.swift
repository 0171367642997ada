internal import CGDAL

/// How GDAL is set up here: few drivers, no side files, no network, no threads.
enum GDALEnvironment {
    static func prepare() {
        let options = [
            "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "none",
            "GDAL_CACHEMAX": "128",
            "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
            "GDAL_NUM_THREADS": "1",
            "GDAL_PAM_ENABLED": "NO",
            "GDAL_MAX_DATASET_POOL_SIZE": "2",
            "OPJ_NUM_THREADS": "1",
            "PROJ_NETWORK": "OFF",
        ]
        for (name, value) in options { CPLSetConfigOption(name, value) }
        OSRSetPROJEnableNetwork(0)
        // A cloud-optimized GeoTIFF is read by GTiff too; GDAL's COG driver only writes.
        GDALRegister_GTiff()
        GDALRegister_JP2OpenJPEG()
        GDALRegister_PNG()
        GDALRegister_JPEG()
        // netCDF for the classic form alone: HDF5 reads the newer one from virtual files.
        GDALRegister_HDF5()
        GDALRegister_netCDF()
        GDALRegister_Zarr()
        RegisterOGRShape()
        RegisterOGRGeoPackage()
        RegisterOGRGeoJSON()
        RegisterOGRFlatGeobuf()
        RegisterOGRCSV()
        // The preview's PNG is copied from memory.
        GDALRegister_MEM()
    }

    /// GDAL's last complaint in this process, without the name that the object has here.
    static var lastError: String? {
        guard let text = CPLGetLastErrorMsg().map({ String(cString: $0) }), !text.isEmpty else { return nil }
        return String(
            text.split(separator: VirtualFiles.prefix, omittingEmptySubsequences: false).joined()
                .prefix(1000))
    }
}
